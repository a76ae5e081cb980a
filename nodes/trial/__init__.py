"""Try code against tests, each in a sandbox of its own: values alone pass between them, through two pipes.

What the code does in its own process (leaves early, prints what a runner would, replaces `assert`, `sys`, `os` or this
package) is therefore no part of the tests': there its results arrive as plain data, and are compared. What is no plain
data (an object of a class of its own, a generator) arrives as a stand-in that asks the code back, except where such an
object meets a value of the tests in an operator: a result that says it is equal to everything is equal to nothing.

What remains possible: the code sees what its functions are called with, and may know answers by heart; objects of its
own classes say themselves what their methods return, how long they are and what they hold; functions that the tests
pass to it can be called with anything. The tests cannot pass it objects of classes that the tests define.

`values`, `side`, `solver` and `tester` run inside, on the standard library alone.
"""
