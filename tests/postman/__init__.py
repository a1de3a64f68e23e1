"""The Postman collection: a story over every operation of the API, written from its OpenAPI document."""
