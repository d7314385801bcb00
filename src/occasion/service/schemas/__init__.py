"""What travels over HTTP: one file a subject. Names and limits are those of `occasion.data`; what is unknown is refused."""
