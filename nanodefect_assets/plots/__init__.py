"""Values to matplotlib figures. Imports domain only; no pyplot, so nothing is global."""
