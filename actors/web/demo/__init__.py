"""The demo shop under `/demo/` (`serve --demo`): a small shop, and beside it what ecrm makes of it.

Its pages speak through the browser SDK and a publishable key; its back end, which is in this
process, tells through the ordinary intake what only back ends may tell. Neither knows a way round
the rules: what the panel shows is what any shop would get. There is nothing of it without `--demo`.
"""
