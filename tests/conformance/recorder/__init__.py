"""Makes scenarios, and records what real Erlang/OTP does with them; see README.md."""
