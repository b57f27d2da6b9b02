package main

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"errors"

	"github.com/xdg-go/scram"
)

// cramClient is the client's side of CRAM-MD5 (RFC 2195).
type cramClient struct{ user, password string }

func (c cramClient) Start() (string, []byte, error) { return "CRAM-MD5", nil, nil }

func (c cramClient) Next(challenge []byte) ([]byte, error) {
	mac := hmac.New(md5.New, []byte(c.password))
	mac.Write(challenge)
	return []byte(c.user + " " + hex.EncodeToString(mac.Sum(nil))), nil
}

// scramClient is the client's side of SCRAM (RFC 5802), which proves the server, too.
type scramClient struct {
	mechanism, user, password string
	talk                      *scram.ClientConversation
}

func (c *scramClient) Start() (string, []byte, error) {
	hash := scram.SHA256
	if c.mechanism == "SCRAM-SHA-1" {
		hash = scram.SHA1
	}
	client, err := hash.NewClient(c.user, c.password, "")
	if err != nil {
		return "", nil, errors.New("the user's name or the password has characters that SCRAM does not allow")
	}
	c.talk = client.NewConversation()
	first, err := c.talk.Step("")
	return c.mechanism, []byte(first), err
}

func (c *scramClient) Next(challenge []byte) ([]byte, error) {
	next, err := c.talk.Step(string(challenge))
	return []byte(next), err
}
