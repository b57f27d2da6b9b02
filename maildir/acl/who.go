package acl

// Who is somebody whose rights are asked for.
type Who struct {
	User      string   // login name
	Groups    []string // sorted
	Owner     bool     // of the mailbox
	Anonymous bool     // did not say who it is
	Unsure    bool     // may be in more groups than those: see Least. Lists go by Groups
}
