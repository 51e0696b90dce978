# certificate.awk: one certificate of a bundle.
#
# Usage: awk -v wanted=NUMBER -f certificate.awk

/^-----BEGIN CERTIFICATE-----$/ { number++ }

number == wanted

/^-----END CERTIFICATE-----$/ && number == wanted { exit }
