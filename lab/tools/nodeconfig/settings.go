package nodeconfig

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// settings are K3s's options by their long names, each with one value or several.
type settings map[string]any

// shortNames are the options that K3s also knows by one letter.
var shortNames = map[string]string{"c": "config", "d": "data-dir", "s": "server", "t": "token"}

// switches are the options that need no value.
var switches = []string{"disable-default-registry-endpoint", "disable-network-policy"}

// options are those of K3s's options that mean something here, and `config`.
var options = append([]string{"config", "data-dir", "server", "token", "node-name", "node-ip", "node-label", "cluster-cidr",
	"service-cidr", "cluster-dns", "cluster-domain", "private-registry", "pause-image", "disable", "flannel-backend"}, switches...)

// readSettings reads the configuration file and, in the order of their names, the files of the directory beside it
// (config.yaml.d). As in K3s, a later value replaces an earlier one, and `key+` adds to it.
func readSettings(path string) (settings, error) {
	files, err := filepath.Glob(path + ".d/*.y*ml")
	if err != nil {
		return nil, err
	}
	merged := settings{}
	for _, file := range append([]string{path}, files...) {
		content, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found := settings{}
		if err := yaml.Unmarshal(content, &found); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for key, value := range found {
			if name, adds := strings.CutSuffix(key, "+"); adds {
				merged[name] = slices.Concat(values(merged[name]), values(value))
			} else {
				merged[key] = value
			}
		}
	}
	return merged, nil
}

// lineSettings reads the words behind `k3s server` or `k3s agent`.
func lineSettings(args []string) (settings, error) {
	given := settings{}
	for i := 0; i < len(args); i++ {
		flag := args[i]
		name, value, joined := strings.Cut(strings.TrimLeft(flag, "-"), "=")
		if long := shortNames[name]; long != "" {
			name = long
		}
		if !strings.HasPrefix(flag, "-") || !slices.Contains(options, name) {
			return nil, fmt.Errorf("flag provided but not defined: %s", flag)
		}
		switch {
		case joined:
		case slices.Contains(switches, name):
			value = "true"
		case i+1 < len(args):
			i++
			value = args[i]
		default:
			return nil, fmt.Errorf("flag needs an argument: %s", flag)
		}
		given[name] = append(values(given[name]), value)
	}
	return given, nil
}

// values are the values of one option, whether it was given as a list or not.
func values(value any) []any {
	if list, ok := value.([]any); ok {
		return list
	}
	if value == nil {
		return nil
	}
	return []any{value}
}

// word sets target to the option's last value, where it has one.
func (s settings) word(name string, target *string) {
	if list := values(s[name]); len(list) > 0 && list[len(list)-1] != "" {
		*target = fmt.Sprint(list[len(list)-1])
	}
}

// words sets target to the option's values, where it has any; one word may hold several, separated by commas.
func (s settings) words(name string, target *[]string) {
	list := values(s[name])
	if len(list) > 0 {
		*target = nil
	}
	for _, value := range list {
		*target = append(*target, strings.Split(fmt.Sprint(value), ",")...)
	}
}
