"""The demo: made-up support mail, a small model that triages it, and two fine-tunes to judge."""
