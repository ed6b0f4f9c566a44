"""Capture: a DynamoDB table and its stream become rows and a checkpoint in one local file."""
