# hosts_clash.awk: the first line of a hosts file that gives one of our names another address.
#
# Usage: awk -v address=ADDRESS -v names=" NAME NAME " -f hosts_clash.awk FILE

{
	sub(/\r$/, "")
	sub(/#.*/, "")
	for (i = 2; i <= NF; i++) {
		if ($1 != address && index(tolower(names), " " tolower($i) " ")) {
			print
			exit
		}
	}
}
