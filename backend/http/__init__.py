"""What every HTTP route shares: dependencies, limits, middleware, caching, paging."""
