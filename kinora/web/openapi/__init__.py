"""The API as a description: its calls, their parameters and answers, as OpenAPI, JSON Schema and TypeScript."""
