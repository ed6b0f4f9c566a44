"""Tests of Snowmelt."""
