"""Parts that pages share: states, cards, bars."""
