"""The folder that is put first on PYTHONPATH of a verified script; its modules run inside that script's process.

They import nothing from `refactorer`, so that they work under any interpreter that has torch.
"""
