"""Where HTTP and WebSockets end. Nothing else in the server knows aiohttp."""
