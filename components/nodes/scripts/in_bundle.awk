# in_bundle.awk: succeeds if a bundle holds a certificate, however its lines are broken.
#
# Usage: awk -v wanted=BASE64 -f in_bundle.awk FILE

/^-----BEGIN/ {
	body = ""
	next
}

/^-----END/ && body == wanted { found = 1 }

{ body = body $0 }

END { exit !found }
