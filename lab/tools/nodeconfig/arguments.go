package nodeconfig

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// masked is what K3s shows of a secret.
const masked = "********"

// Arguments are the words that K3s notes on its node: the command, its configuration files as flags, the command line.
// `--flag=value` is two words. Unlike K3s, which keeps the file's order, it sorts the file's keys.
func Arguments(command string, line []string, file string) ([]string, error) {
	settings, err := readSettings(file)
	if err != nil {
		return nil, err
	}
	words := []string{command}
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		for _, value := range values(settings[key]) {
			words = append(words, "--"+key, fmt.Sprint(value))
		}
	}
	for _, word := range line {
		if strings.HasPrefix(word, "--") {
			words = append(words, strings.SplitN(word, "=", 2)...)
		} else {
			words = append(words, word)
		}
	}
	for i := 1; i < len(words); i++ {
		if isSecret(strings.TrimPrefix(words[i-1], "--")) {
			words[i] = masked
		}
	}
	return words, nil
}

// Environment holds the variables that K3s notes on its node.
func Environment(variables []string) map[string]string {
	noted := map[string]string{}
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		key, isOurs := strings.CutPrefix(name, "K3S_")
		if !isOurs {
			continue
		}
		if isSecret(strings.ReplaceAll(strings.ToLower(key), "_", "-")) {
			value = masked
		}
		noted[name] = value
	}
	return noted
}

func isSecret(flag string) bool {
	switch flag {
	case "t", "token", "agent-token", "datastore-endpoint", "etcd-s3-access-key", "etcd-s3-secret-key", "vpn-auth":
		return true
	}
	return false
}
