"""What crosses a wire: messages, the operations they belong to, and how they are written as bytes."""
