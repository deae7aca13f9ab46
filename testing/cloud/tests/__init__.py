"""Tests of the stand-in cloud, as somebody who uses it: plain clients against what runs. `just cloud-test` runs them."""
