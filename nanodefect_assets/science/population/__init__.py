"""From particles to statements about a batch, with their uncertainty."""
