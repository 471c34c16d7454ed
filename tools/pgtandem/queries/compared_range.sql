{schema}.compared(%(low)s, %(high)s)
