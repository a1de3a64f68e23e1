"""Routes that read history back from the journal itself: as it was recorded, for those who have to answer for it."""
