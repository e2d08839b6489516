"""The engine for chains of small floating-point products, at the size of the program.

The other engines compare sums of products of *inputs*. Where a product reads what another one
computed (control kernels, recurrences over time), both programs are executed over expressions
instead: every element of memory holds one expression of the inputs, in a normal form in which two
sums of the same terms are the same object. The programs agree if all their outputs do.
"""
