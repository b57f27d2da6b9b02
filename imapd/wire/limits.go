package wire

// Limits are the budgets of one command. A field that is zero takes its value
// from PostLogin.
type Limits struct {
	Line      int   // bytes of the command without its literals
	Literal   int64 // largest literal kept in memory as an argument
	Args      int   // tokens
	Depth     int   // nested parentheses, levels of Nest, and numbers of a part path
	Arguments int64 // bytes of all tokens together
	Discard   int64 // bytes skipped to get past a refused command
}

// PreLogin is for clients that have not shown who they are: enough for
// AUTHENTICATE with an initial response and for an ID of thirty fields
// (RFC 2971 §3.3), and no more.
var PreLogin = Limits{
	Line:      8 << 10,
	Literal:   4 << 10,
	Args:      128,
	Depth:     8,
	Arguments: 16 << 10,
	Discard:   64 << 10,
}

// PostLogin is for authenticated clients. RFC 7162 §4 asks servers for lines of
// 8,192 bytes at least; clients that synchronise send UID sets longer than that.
var PostLogin = Limits{
	Line:      64 << 10,
	Literal:   64 << 10,
	Args:      16 << 10,
	Depth:     64,
	Arguments: 256 << 10,
	Discard:   128 << 20,
}

func (l Limits) withDefaults() Limits {
	if l.Line <= 0 {
		l.Line = PostLogin.Line
	}
	if l.Literal <= 0 {
		l.Literal = PostLogin.Literal
	}
	if l.Args <= 0 {
		l.Args = PostLogin.Args
	}
	if l.Depth <= 0 {
		l.Depth = PostLogin.Depth
	}
	if l.Arguments <= 0 {
		l.Arguments = PostLogin.Arguments
	}
	if l.Discard <= 0 {
		l.Discard = PostLogin.Discard
	}
	return l
}

// argument counts one token of n bytes and reports whether the budgets allow it.
func (d *Decoder) argument(n int64) bool {
	if d.err != nil {
		return false
	}
	d.args++
	d.argBytes += n
	if d.args > d.lim.Args {
		d.exceed(LimitArgs, "command has more than %d arguments", int64(d.lim.Args))
	} else if d.argBytes > d.lim.Arguments {
		d.exceed(LimitArguments, "arguments of the command are longer than %d bytes", d.lim.Arguments)
	}
	return d.err == nil
}

func (d *Decoder) deeper() {
	d.depth++
	if d.depth > d.lim.Depth {
		d.exceed(LimitDepth, "command is nested more than %d levels deep", int64(d.lim.Depth))
	}
}

// Nest runs f one level deeper. Rules that recurse without parentheses (NOT
// and OR of a search key) use it to stay within Limits.Depth.
func (d *Decoder) Nest(f func()) {
	d.deeper()
	if d.err == nil {
		f()
	}
	d.depth--
}
