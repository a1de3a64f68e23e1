"""The read side: views in Redis, their queries, and the follower that posts the journal to them."""
