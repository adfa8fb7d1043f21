"""Arrays and parameters in, values out. Imports domain only; never dagster, mlflow, duckdb or matplotlib."""
