"""Tests of the kit of plugin authors."""
