# The Services that have our address. Lines: namespace/name and the requested address, the given addresses, the ports.
# A load balancer that was asked for one gives it to one Service; any other may share it between different ports.

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
	print substr(requested == "" ? same_port : all, 2)
}
