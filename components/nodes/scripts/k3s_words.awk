# k3s_words.awk: how a service starts K3s, by its unit with all drop-ins, or by OpenRC's script with its settings.
#
# Usage: cat FILE... | awk -v root=ROOT -v name=SERVICE -v shell=1 -f k3s_words.awk
#
# ROOT is the directory below which the unit's environment files are, and `shell` is set for OpenRC.
#
# Prints `server`, `agent` or an empty line; then the variables of the environment that matter; then K3s's arguments,
# one word per line: `--flag=value` as two words, one dash as two.

# systemd allows comments between continued lines.
/^[ \t]*[#;]/ { next }

{ line = line $0 }

/\\$/ {
	sub(/\\$/, " ", line)
	next
}

# A value in the shell's double quotes may span lines.
shell && is_open(line) {
	line = line " "
	next
}

{
	read_setting(line)
	line = ""
}

# An array, even where no variable is set.
BEGIN { split("", env) }

END {
	for (at = 1; at <= environment_files; at++) read_environment_file(environment_file[at])
	if (shell) command[commands = 1] = env["command"] " " env["command_args"]
	# The last one that starts K3s.
	for (at = commands; at > 0 && !found; at--) {
		split_words(expand(command[at]))
		found = find_arguments()
	}
	print_words(found ? found : 1)
}

function print_words(i) {
	print role
	# In one order, which `for (key in env)` would leave to the awk.
	print_variable("K3S_CONFIG_FILE")
	print_variable("K3S_DATA_DIR")
	print_variable("K3S_NODE_NAME")
	for (; i <= words && word[i] !~ /^[12]?>/; i++) {
		if (sub(/^--?/, "--", word[i])) sub(/=/, "\n", word[i])
		print word[i]
	}
}

function print_variable(key) {
	if (key in env) print key "=" env[key]
}

# Returns the number of the first word after `k3s` where the words start a server or an agent, else 0. Sets role.
function find_arguments(    i, j) {
	for (i = 1; i <= words; i++) {
		# A shell around K3s has the whole command in one word.
		if (word[i] ~ /(^|[\/ \t])k3s[ \t]/) {
			split_words(word[i])
			return find_arguments()
		}
		if (word[i] ~ /(^|\/)k3s-(server|agent)$/) {
			role = word[i]
			sub(/.*-/, "", role)
			return i + 1
		}
		# Before K3s, as a shell or `env` understands it.
		if (word[i] ~ /^K3S_[A-Z_]+=/) set_variable(word[i])
		if (word[i] !~ /(^|\/)k3s(-[a-z0-9.+]+)?$/) continue
		for (j = i + 1; j <= words; j++) {
			if (word[j] ~ /^(server|agent)$/) {
				role = word[j]
				return i + 1
			}
			# Flags, and their values, may come before.
			if (word[j] !~ /^-/ && word[j - 1] !~ /^-[^=]*$/) break
		}
	}
	return 0
}

function is_open(text) {
	gsub(/\\./, "", text)
	return text ~ /^[ \t]*[a-z_]+="/ && gsub(/"/, "", text) % 2
}

function read_setting(text,    key, value) {
	if (shell && sub(/^[ \t]*: *"?\$[{]/, "", text)) {
		key = value = text
		sub(/:?=.*/, "", key)
		sub(/^[^=]*=/, "", value)
		sub(/[}]"?[ \t]*$/, "", value)
		if (!(key in env)) assign(key, value)
		return
	}
	sub(/^[ \t]*(export[ \t]+)?/, "", text)
	key = value = text
	if (!sub(/[ \t]*=.*/, "", key)) return
	sub(/^[^=]*=[ \t]*/, "", value)
	if (shell) assign(key, expand(value))
	else if (key == "ExecStart") {
		sub(/^[-@:+!|]+/, "", value)
		# An empty one takes back those before it.
		if (value == "") commands = 0
		else command[++commands] = value
	} else if (key == "Environment") {
		split_words(value)
		for (key = 1; key <= words; key++) set_variable(word[key])
	} else if (key == "EnvironmentFile") {
		if (value == "") environment_files = 0
		else environment_file[++environment_files] = value
	}
}

# The text is NAME=VALUE.
function set_variable(text,    i) {
	if (i = index(text, "=")) env[substr(text, 1, i - 1)] = substr(text, i + 1)
}

# Sets env[key] to the value without its quotes.
function assign(key, value) {
	split_words(value)
	if (key ~ /^[A-Za-z_][A-Za-z0-9_]*$/) env[key] = words ? word[1] : ""
}

function read_environment_file(path,    text, key, value) {
	gsub(/["\047]/, "", path)
	sub(/^-/, "", path)
	gsub(/%[Np]/, name, path)
	gsub(/%n/, name ".service", path)
	path = root path
	while ((getline text < path) > 0) {
		if (text !~ /^[ \t]*[A-Za-z_][A-Za-z0-9_]*=/) continue
		key = value = text
		sub(/^[ \t]*/, "", key)
		sub(/=.*/, "", key)
		sub(/^[^=]*=/, "", value)
		if (value !~ /^[ \t]*["\047]/) gsub(/[ \t]/, "\001", value)
		assign(key, value)
		gsub(/\001/, " ", env[key])
	}
	close(path)
}

# The text with variables replaced. In a unit `${NAME}` stays one word, whatever its value.
function expand(text,    out, key, value, braces, otherwise) {
	while (match(text, /\$([{][A-Za-z_][A-Za-z0-9_]*(:?-[^}]*)?[}]|[A-Za-z_][A-Za-z0-9_]*)/)) {
		out = out substr(text, 1, RSTART - 1)
		key = substr(text, RSTART + 1, RLENGTH - 1)
		text = substr(text, RSTART + RLENGTH)
		braces = gsub(/[{}]/, "", key)
		otherwise = ""
		if (match(key, /:?-/)) {
			otherwise = substr(key, RSTART + RLENGTH)
			key = substr(key, 1, RSTART - 1)
		}
		value = key in env ? env[key] : otherwise
		if (braces && !shell) gsub(/[ \t]/, "\001", value)
		out = out value
	}
	return out text
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
			gsub(/\001/, " ", part)
			if (quoted || part != "") word[++words] = part
			part = quoted = ""
		}
	}
}
