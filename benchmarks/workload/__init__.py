"""The data that every side gets, and the digest by which results are compared."""
