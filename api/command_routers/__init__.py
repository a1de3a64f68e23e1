"""Routes that change something: each checks a request, names a command, has it carried out and answers."""
