# k3s_words.awk: how a service starts K3s, from its files (systemd's or OpenRC's, with its environment files).
#
# Usage: cat FILE... | awk -f k3s_words.awk
#
# Prints `server`, `agent` or an empty line; then the variables of the environment that matter; then the command line,
# one word per line: `--flag=value` as two words, one dash as two.

# systemd allows comments between continued lines.
/^[ \t]*[#;]/ { next }

{ line = line $0 }

/\\$/ {
	sub(/\\$/, " ", line)
	next
}

{
	read_assignment(line)
	line = ""
}

END { print_words() }

function print_words(    i) {
	for (i = 1; i <= command_words && command[i] !~ /^(server|agent)$/; i++);
	print command[i]
	printf "%s", environment
	for (i = 1; i <= command_words && command[i] !~ /^[12]?>/; i++) {
		if (sub(/^--?/, "--", command[i])) sub(/=/, "\n", command[i])
		print command[i]
	}
}

function read_assignment(text,    key, value) {
	sub(/^[ \t]*(export )?/, "", text)
	key = value = text
	sub(/[ \t]*=.*/, "", key)
	sub(/^[^=]*=[ \t]*/, "", value)
	if (key == "ExecStart" || key == "command_args") read_command(key, value)
	else if (key == "Environment") read_environment(value)
	else if (key ~ /^K3S_(DATA_DIR|CONFIG_FILE|NODE_NAME)$/) read_environment(key "=" value)
}

# Sets command[1 .. command_words]; the last command line counts.
function read_command(key, text,    i) {
	sub(/^[-@:+!|]+/, "", text)
	split_words(text)
	# OpenRC's shell removes one layer of quotes.
	if (key != "ExecStart") split_words(word[1])
	for (i = 1; i <= words; i++) command[i] = word[i]
	command_words = words
	command[words + 1] = ""
}

function read_environment(text,    i) {
	split_words(text)
	for (i = 1; i <= words; i++)
		if (word[i] ~ /^K3S_(DATA_DIR|CONFIG_FILE|NODE_NAME)=/) environment = environment word[i] "\n"
}

# Sets word[1 .. words], split as a shell does: by spaces outside quotes.
function split_words(text,    i, c, quote, part, quoted) {
	words = 0
	for (i = 1; i <= length(text) + 1; i++) {
		c = substr(text, i, 1)
		if (c == "\\" && quote != "\047") part = part substr(text, ++i, 1)
		else if (quote) {
			if (c == quote) quote = ""
			else part = part c
		} else if (c ~ /["\047]/) {
			quote = c
			quoted = 1
		} else if (c ~ /[^ \t]/) part = part c
		else {
			if (quoted || part != "") word[++words] = part
			part = quoted = ""
		}
	}
}
