"""The database: types, the one engine, the guard on its connections."""
