"""What the commands say about files: text for people, JSON, SARIF and GitHub workflow commands for machines.

Every renderer is a function from reports to text. None of them prints.
"""
