local words = {}

words.hello = "hello"

return words
