"""What a person looks at: pictures of what was found."""
