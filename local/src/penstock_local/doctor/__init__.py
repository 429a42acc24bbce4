"""`penstock doctor`: what on this machine would keep Penstock from serving, and what to do about it."""
