"""How a comparison is run and reported; knows nothing of what is compared."""
