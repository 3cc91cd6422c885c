"""What every answer over HTTP has in common: errors, headers, who may write."""
