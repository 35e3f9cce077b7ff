"""Refusals in languages other than English: French, Italian, Portuguese and Spanish (ours)."""

from __future__ import annotations

from cadc.cleaning.refusal_words import Wording

ROMANCE = {
    "French": Wording(
        signs="_n' | _ne_ | contraire | encontre | enfreint | impossible | viole | nouveau | renvoy | que je",
        picture="fichiers? | images? | photos?",
        of=r"accroch\w* | au | d[eu](?! (?:ta|votre) part) | qu[ei'] | sur",
        sorry="désolée? | excusez-moi | je crains | je m'excuse | je regrette | malheureusement",
        cant=r"""
            \b(?:je|nous) (?:ne|n') ?(?:ai|avons)(?: malheureusement)? pas (?:accès|la (?:capacité|possibilité)) |
            \b(?:je|nous) (?:ne|n') ?(?:parviens|peux|pouvons|puis)(?: malheureusement)?(?: pas)? |
            \b(?:je|nous) (?:ne|n') ?(?:sommes|suis)(?: malheureusement)? pas (?:autorisée?s?|capables?|
            en mesure)(?: d['e])?
        """,
        tell="""
            affirmer | certain | compter | confirmer | deviner | dire | distinguer | déterminer | identifier | lire |
            préciser | reconnaître | savoir | sûre? | trouver | voir
        """,
        see=r"""
            (?:accéder|analyser|interpréter|ouvrir|traiter|visionner|visualiser|voir|à)\b[^.]{0,15}\b<picture> |
            (?:t'|vous )?aider (?:avec|à) | répondre à (?:cette|votre)
        """,
        none=r"""
            \b(?:aucune <picture>|l'image|la photo|votre <picture>) n'(?:a été|a pas été|a pas pu être|a pu être|
            ait été|ait pas été|est|est pas) (?:affichée|chargée|envoyée|fournie|jointe|ouverte|partagée|
            téléchargée)(?! (?:au|aux|par|à la|à l')\b) |
            \b(?:est contraire à|enfreint|va à l'encontre de|viole) (?:ma|mes|nos|notre) (?:\w+
            )?(?:consignes|directives|politiques?|principes|règles) |
            \bil n'y a (?:aucune|pas d['e]) ?<picture> (?:que je puisse|à (?:analyser|décrire|regarder|voir)) |
            \bimpossible (?:d'ouvrir|de charger|d'afficher) (?:l'image|la photo|votre <picture>) |
            \bje ne vois (?:aucune|pas d['e]) ?<picture>(?: jointe|<end>) |
            \bje ne vois pas (?:cette |l'|la |ton |votre )<picture><end> |
            \bimpossible de (?:t'|te |vous )aider | \bje ne peux pas identifier (?:des |les )?personnes |
            \b(?:envoy|joi|partag|renvoy|télécharg)\w+ (?:l'|la |une |votre )<picture>[^.!?]{0,20}(?:afin que je|
            pour que je|à nouveau)\b | \bje n'arrive pas à (?:ouvrir|voir) (?:l'|la |votre )<picture> |
            \b(?:pourr|pouv)\w+-(?:tu|vous) (?:me )?(?:envoyer|joindre|partager|renvoyer) (?:l'|la |votre )<picture> |
            \baucune <picture> ne m'a été (?:envoyée|fournie|transmise) |
            \b(?:tu n'a(?:ie)?s|vous n'a(?:vez|yez)) (?:fourni |joint |pas |envoyé )+(?:aucune |d['e] ?|l')<picture> |
            \bje n'ai (?:pas )?reçu (?:aucune |d['e] ?|l'|votre )<picture> |
            \b(?:l'|la |votre )<picture> ne (?:s'affiche|se charge) pas<end>
        """,
    ),
    "Italian": Wording(
        signs="_non_ | impossibile | nessuna | viola | così | di nuovo | possa",
        picture=r"file | fot[oi]\w* | immagin[ei]",
        of=r"appes\w* | che | d[ei] | del\w* | sul\w*",
        sorry="mi dispiace | mi scuso | purtroppo | scusa | scusate | sono desolat[oa] | spiacente",
        cant=r"""
            \bnon (?:ho (?:accesso|la (?:capacità|possibilità))|mi è possibile|possiamo|posso|riesco|riusciamo|
            sono in grado di)
        """,
        tell="""
            affermare | capire | confermare | contare | determinare | dire | distinguere | identificare | individuare |
            leggere | riconoscere | sapere | sicur[oa] | stabilire | trovare | vedere
        """,
        see=r"""
            (?:aiutar|assister)\w+ (?:con|in) |
            (?:a|accedere|alla|analizzare|aprire|elaborare|interpretare|vedere|visualizzare)\b[^.]{0,15}\b<picture> |
            rispondere a (?:quella|questa|tale)
        """,
        none=r"""
            \b(?:l'|la (?:tua |sua )?|nessuna )<picture> (?:non )?(?:è stata|può essere|ha potuto essere) (?:allegata|
            aperta|caricata|fornita|inviata)(?! (?:a|al|alla|da|dal|dalla)\b) |
            \b(?:va contro|viola) (?:la mia|le mie|le nostre) (?:\w+ )?(?:linee guida|politic\w+|regole) |
            \bimpossibile (?:aprire|caricare|visualizzare) (?:l'immagine|la foto) |
            \bnon vedo (?:alcuna |l'|la (?:tua )?|nessuna )<picture>(?: allegata|<end>) |
            \b(?:l'|la )<picture> non si (?:apre|carica)<end> |
            \bnon (?:abbia|abbiate|avete|ha|hai|ho) (?:allegato|caricato|fornito|inviato|ricevuto) (?:l'|la |
            un'|\w+una )<picture> |
            \b(?:allega|carica|condividi|invia)\w* (?:l'|la |un')<picture>[^.!?]{0,20}(?:così|
            di nuovo|in modo che io|perché (?:io )?possa)\b | \bnon posso identificare (?:le )?persone |
            \bnon (?:sia|è) stata (?:allegata|caricata|fornita) [^.]{0,12}<picture> |
            \bnon è stato possibile (?:aprire|caricare) (?:l'immagine|la foto)
        """,
    ),
    "Portuguese": Wording(
        signs="nenhuma | não | viola | de novo | novamente | outra vez | para que eu",
        picture="arquivos? | fotos? | imagem | imagens",
        of=r"d[aeo]s? | n[ao]s? | pendurad\w* | que (?!você|me|foi)",
        sorry="desculpa | desculpe | infelizmente | lamento | peço desculpas? | sinto muito",
        cant=r"""
            \bnão (?:consigo|conseguimos|me é possível|podemos|posso|sou capaz de|tenho (?:acesso|
            a (?:capacidade|possibilidade)))
        """,
        tell="""
            afirmar | confirmar | contar | determinar | distinguir | dizer | encontrar | identificar | ler | precisar |
            reconhecer | saber | segur[oa] | ter certeza | ver
        """,
        see=r"""
            (?:a|abrir|acessar|aceder|analisar|interpretar|processar|ver|visualizar|à)\b[^.]{0,15}\b<picture> |
            ajudar\w*(?:-\w+)? com | auxiliar\w* com | responder a (?:essa|esta|sua)
        """,
        none=r"""
            \b(?:a|nenhuma|sua) <picture> (?:não )?(?:foi|pôde ser|pode ser) (?:aberta|anexada|carregada|enviada|
            fornecida)(?! (?:a|ao|na|no|pel[ao])\b) |
            \b(?:vai contra|viola) (?:a minha|as minhas|minha|minhas|nossas?) (?:\w+ )?(?:diretrizes|normas|polític\w+|
            regras) | \bnão (?:há|vejo) nenhuma <picture>(?: anexada|<end>)(?! a) |
            \bnão foi possível (?:abrir|carregar) a <picture> |
            \bnão vejo (?:a|a sua|sua) <picture><end> | \b(?:a|sua) <picture> não (?:abre|abriu|carrega|carregou)<end> |
            \b(?:você|tu) não (?:anexou|anexaste|enviou|enviaste|forneceu|incluiu) (?:a|nenhuma|uma) <picture> |
            \bnão recebi (?:a|a sua|nenhuma|sua) <picture> | \bnão posso identificar (?:as )?pessoas |
            \b(?:anex|carregu|compartilh|envi)\w* (?:a|sua|uma) <picture>[^.!?]{0,20}(?:de novo|novamente|outra vez|
            para que eu)\b
        """,
    ),
    "Spanish": Wording(
        signs="_no_ | contra | incumple | infringe | viola | de nuevo | nuevamente | otra vez | para que",
        picture="archivos? | fotos? | imagen | imágen(?:es)?",
        of=r"colgad\w* | del? | en(?! (?:el|este|la|su|tu) (?:chat|conversación|mensaje)) | que (?!has|me|pueda|se)",
        sorry="""
            desafortunadamente | disculp[ae] | lamentablemente | lamento | lo lamento | lo siento | me temo | perdón
        """,
        cant=r"""
            \bno (?:estoy (?:autorizad|capacitad)[oa]|me es posible|podemos|puedo|soy capaz de|tengo (?:acceso|
            la (?:capacidad|posibilidad)))
        """,
        tell="""
            adivinar | afirmar | apreciar | asegurar | confirmar | contar | decir | determinar | distinguir |
            encontrar | identificar | leer | precisar | reconocer | saber | segur[oa] | ver
        """,
        see=r"""
            (?:asistir|ayudar)\w* con |
            (?:a|abrir|acceder|analizar|interpretar|procesar|ver|visualizar)\b[^.]{0,15}\b<picture> |
            responder a (?:esa|esta|su|tu)
        """,
        none=r"""
            \b(?:incumple|infringe|va en contra de|viola) (?:mis?|nuestras?) (?:\w+ )?(?:directrices|normas|pautas|
            polític\w+|principios) | \bla <picture> no se (?:ha podido|pudo|puede) (?:abrir|cargar|mostrar) |
            \bno (?:fue posible|ha sido posible|se ha podido|se pudo|se puede) (?:abrir|cargar|mostrar|procesar) (?:la|
            su|tu) <picture> |
            \bno (?:se )?(?:ha|han|has) (?:adjuntado|compartido|enviado|proporcionado|subido) [^.]{0,12}<picture> |
            \bno hay ninguna <picture> (?:adjunta(?! a)|que (?:analizar|describir|pueda|ver)) |
            \bno veo (?:la|ninguna|su|tu) <picture>(?: adjunta|<end>) |
            \bno se (?:adjuntó|cargó|envió|incluyó|proporcionó|recibió|subió) [^.]{0,10}<picture> |
            \b(?:la|su|tu) <picture> no (?:se )?(?:abre|carga|muestra|ve)<end> |
            \b(?:adjunt|compart|env[ií]|s[uú]b)\w* (?:la|su|tu|una) <picture>[^.!?]{0,20}(?:de nuevo|nuevamente|
            otra vez|para que (?:yo )?pueda)\b | \bno puedo identificar a (?:las )?personas |
            \bno (?:he recibido|hemos recibido|recibí) (?:la|ninguna|su|tu) <picture>
        """,
    ),
}
