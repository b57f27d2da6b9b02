package config

import "strings"

// aclEntry checks one "identifier rights" pair (RFC 4314 §2), as in the files of access control lists.
func aclEntry(v string) (string, error) {
	const do = "write anyone lrs, user=ann lrswi or group=staff lr"
	id, rights, ok := strings.Cut(v, " ")
	if !ok {
		return "", bad(do, "%q is not an identifier and its rights", v)
	}
	name := strings.TrimPrefix(id, "-")
	kind, who, named := strings.Cut(name, "=")
	switch kind {
	case "anyone", "authenticated", "owner":
		if named {
			return "", bad(do, "%q takes no name", kind)
		}
	case "user", "group", "group-override":
		if who == "" {
			return "", bad(do, "%q names nobody", id)
		}
	default:
		return "", bad(do, "%q is no identifier", id)
	}
	rights = strings.TrimSpace(rights)
	if rights == "" || strings.Trim(rights, "lrswipkxteacd") != "" {
		return "", bad(do, "%q has letters that are not rights", rights)
	}
	return id + " " + rights, nil
}
