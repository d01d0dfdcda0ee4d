"""The ground of waferc: places and errors, element types, machines, programs, their text."""
