"""Functions and methods of the script: entered at their call, made methods of the module, or left as they are."""
