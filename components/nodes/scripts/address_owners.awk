# address_owners.awk: the Services that have our address.
#
# Usage: awk -F , -v own=NAMESPACE/NAME -v address=ADDRESS -v port=PORT -f address_owners.awk FILE
#
# A line of FILE holds a Service's namespace/name and requested address, its given addresses, and its ports. A load
# balancer that was asked for one gives it to one Service; any other may share it between different ports.

{
	split($1, head, " ")
}

head[1] == own {
	requested = head[2]
	next
}

index(" " $2 " ", " " address " ") {
	all = all " " head[1]
	if (index(" " $3 " ", " " port " ")) same_port = same_port " " head[1]
}

END {
	owners = requested == "" ? same_port : all
	sub(/^ /, "", owners)
	print owners
}
