"""What crosses rooms: frozen, slotted, checked at birth."""
