"""What stands behind the instrumentations of aiohttp's client and of its server."""
