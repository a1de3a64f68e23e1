"""Routes that only ask: each sends what a view holds, and says how fresh that is."""
