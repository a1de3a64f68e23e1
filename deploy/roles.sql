-- Made once, when the database is: the owner migrates, the processes append and read.
\set owner_password `cat /run/secrets/owner_password`
\set daybook_password `cat /run/secrets/daybook_password`
create role daybook_owner login password :'owner_password';
create role daybook login password :'daybook_password';
create database daybook owner daybook_owner template template0 encoding 'UTF8' locale_provider builtin builtin_locale 'C.UTF-8';
