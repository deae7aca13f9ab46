"""Programs of the stand-in cloud that no package has: what joins the real ones. They run in the virtual environment of its state."""
