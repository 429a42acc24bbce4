"""A request of Anthropic's Messages API: its fields and bounds, and its treatment at each type of provider."""
