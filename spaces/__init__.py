"""What may be tried: search spaces, the documented models, and how to build them."""
