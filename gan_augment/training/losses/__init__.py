"""What the two networks minimise: adversarial losses, regularisers, and reconstruction."""
