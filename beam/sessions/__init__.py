"""Sessions: conversations with agents that outlive the processes that hold them."""
